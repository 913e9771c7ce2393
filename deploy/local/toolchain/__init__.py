"""Build the real components that the tests and the sandbox run: `python3 -m toolchain --help`.

Standard library only (Python 3.11+), so that it runs before anything is installed.
"""
