"""The reference's centre crop (ECenterCrop): which pixels of an image the network sees."""

#: The crop's side is `input_size / (input_size + CROP_MARGIN)` of the image's shorter side.
CROP_MARGIN = 32


def crop_box(width: int, height: int, input_size: int) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the crop, in whole pixels.

    The formula is that of ResNeSt's scripts/torch/verify.py: a side of
    `c = S / (S + 32) * min(width, height)`, left and top at `round((extent - c) / 2)`. There the
    box goes to Pillow as floats, and `Image.crop` rounds each of its four values by itself, half
    to even. So where c lies half-way between two integers, the parity of left and top decides, and
    the crop may be a pixel longer one way than the other: 502x500 at S=224 gives 438x437.
    """
    side = input_size / (input_size + CROP_MARGIN) * min(width, height)
    top = round((height - side) / 2)
    left = round((width - side) / 2)
    return left, top, round(left + side), round(top + side)
