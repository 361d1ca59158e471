from hypothesis import given
from hypothesis import strategies as st

from worker.pipeline.batcher import Batcher


def test_a_full_batch_is_closed_at_once():
    batcher = Batcher(size=3, max_age_seconds=1.0)

    closed = [batcher.add(item, at_seconds=0.0) for item in range(7)]

    assert closed == [None, None, [0, 1, 2], None, None, [3, 4, 5], None]
    assert len(batcher) == 1


def test_a_short_batch_waits_until_it_is_old_and_the_device_is_idle():
    batcher = Batcher(size=3, max_age_seconds=1.0)
    batcher.add("a", at_seconds=10.0)
    batcher.add("b", at_seconds=10.9)

    assert batcher.due(at_seconds=10.9, device_is_idle=True) is None
    assert batcher.due(at_seconds=11.0, device_is_idle=False) is None
    assert batcher.due(at_seconds=11.0, device_is_idle=True) == ["a", "b"]
    assert batcher.due(at_seconds=99.0, device_is_idle=True) is None


@given(st.lists(st.booleans()), st.integers(1, 8))
def test_no_item_is_lost_doubled_or_put_out_of_order(looks, size):
    batcher = Batcher(size=size, max_age_seconds=0.0)
    batches = []
    for number, look in enumerate(looks):
        batches.append(batcher.add(number, at_seconds=0.0))
        if look:
            batches.append(batcher.due(at_seconds=0.0, device_is_idle=True))
    batches.append(batcher.due(at_seconds=0.0, device_is_idle=True))

    closed = [batch for batch in batches if batch]
    assert [item for batch in closed for item in batch] == list(range(len(looks)))
    assert all(len(batch) <= size for batch in closed)
