"""Conversion by Ray, in processes on this machine or on many: ``sdz-convert --engine ray``.

`engine` starts Ray and collects the results, `cluster` decides on the number of processes and their share of the
machine, `worker` is what runs in each of them, `tables` is what travels between the two, and `manifest` the table of
results in the output directory. ray and pyarrow are imported within functions only.
"""
