"""Pictures as arrays <-> bytes of files. `decode` undoes the steps of `encode` in reverse order.

`picture` is the type that both exchange with the plugin, `file` a file whose structure has been read, `preview` decodes
a thumbnail without the model's weights (`box_mean` scales it down), and `buehlmann2022` repeats an experiment to the
byte. `with_model` and `pixels` make the two sorts of files, `guard` looks at what came out, `patching` is for patches,
and `measure` (with `ms_ssim`) for the error that a file states.
"""
