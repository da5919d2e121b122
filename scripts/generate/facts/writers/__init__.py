"""One module for each generated file, with its ``WRITER``. A new module is found by itself."""
