"""Pictures as arrays <-> bytes of files. `encode` and `decode` are inverse to each other, step by step.

`picture` is the type that both exchange with the plugin, `file` a file whose structure has been read, `preview` decodes
a thumbnail without networks, and `buehlmann2022` repeats an experiment to the byte.
"""
