"""Conversion by Ray, in processes on this machine or on many: ``sdz-convert --engine ray``.

`engine` starts Ray and collects the results, `cluster` decides on the number of processes and their share of the
machine, `isolation` keeps Ray from changing the program, `worker` is what runs in each of the processes, `tables` is
what travels between them and the program, and `manifest` the table of results in the output directory. ray and pyarrow
are imported within functions only.
"""
