"""What the pipeline costs, measured: each script here is one command and says in its docstring what it measures."""
