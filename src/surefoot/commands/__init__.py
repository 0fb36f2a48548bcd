"""The commands of the command line, one module for each group; `surefoot.cli` joins them."""
