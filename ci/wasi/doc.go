// Package wasi tests the reactor under WASI runtimes from outside: a guest program there does what the tests say, and the
// tests are the clients of its sockets.
//
// WASMTIME and WAZERO name the runtimes: each a command line, to which "run" and its options are added. A test of a runtime that
// is not named is skipped.
package wasi
