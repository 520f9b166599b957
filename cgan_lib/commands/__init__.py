"""The commands of the command line, a module each: `command` is what it does, its docstring what `--help` says."""
