"""One module for each subcommand of `pems`."""
