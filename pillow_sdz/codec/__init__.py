"""Pictures as arrays to files and back: `encode` and `decode` are mirror images of each other.

`picture` is what both exchange with the plugin, `file` a file that was read, `preview` its thumbnail without networks,
`buehlmann2022` an experiment that can be repeated to the byte.
"""
