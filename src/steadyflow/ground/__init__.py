"""The foundation of the library: noise, files, locks, distributed processes, constants."""
