"""Everything on one machine: an embedded Valkey and Nestor's processes under one supervisor."""
