"""Runs a WASI preview 1 module with listening sockets, by the wasmtime library of the Python package of that name.

It takes the part of the wasmtime program's command line that the tests use:

    run_wasmtime.py run [-S preview2=n] [-S tcplisten=ADDRESS]... [--dir DIR]... [--env NAME=VALUE]... [-W OPTION] MODULE [ARGUMENT]...

Packages after 19 run preview 1 without sockets.
"""

import ctypes
import os
import sys

# The package names no function for it: sockets are the C library's.
os.environ["WASMTIME_WASI_CONFIG_PREOPEN_SOCKET_ALLOW"] = "1"

import wasmtime
from wasmtime import _ffi

FIRST = 3  # the number of the first descriptor after the standard three


def parse(words):
    listen, dirs, env = [], [], []
    if words[:1] != ["run"]:
        sys.exit(__doc__)
    words = words[1:]
    while words and words[0].startswith("-"):
        flag, _, value = words[0].partition("=")
        words = words[1:]
        if not value:
            if not words:
                sys.exit(__doc__)
            value, words = words[0], words[1:]
        if flag == "--dir":
            dirs.append(value)
        elif flag == "--env":
            name, _, text = value.partition("=")
            env.append((name, text))
        elif flag == "-S" and value.startswith("tcplisten="):
            listen.append(value.removeprefix("tcplisten="))
        elif (flag, value) != ("-S", "preview2=n") and flag != "-W":
            sys.exit(f"run_wasmtime.py: unknown option {flag} {value}")
    if not words:
        sys.exit(__doc__)
    return listen, dirs, env, words


def main():
    listen, dirs, env, argv = parse(sys.argv[1:])
    wasi = wasmtime.WasiConfig()
    wasi.argv = argv
    wasi.env = env
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    preopen = _ffi.dll.wasi_config_preopen_socket
    preopen.restype = ctypes.c_bool
    preopen.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p]
    pointer = ctypes.cast(wasi.ptr(), ctypes.c_void_p)
    for number, address in enumerate(listen, FIRST):
        if not preopen(pointer, number, address.encode()):
            sys.exit(f"run_wasmtime.py: cannot listen on {address}")
    for directory in dirs:
        wasi.preopen_dir(directory, directory)
    config = wasmtime.Config()
    config.cache = True
    config.max_wasm_stack = 8 << 20
    engine = wasmtime.Engine(config)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    store.set_wasi(wasi)
    module = wasmtime.Module.from_file(engine, argv[0])
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except wasmtime.ExitTrap as stopped:
        sys.stdout.flush()
        os._exit(stopped.code)


main()
