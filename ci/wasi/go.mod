module github.com/goreactor/reactor/ci/wasi

go 1.25.0

tool github.com/tetratelabs/wazero/cmd/wazero

require github.com/goreactor/reactor v0.0.0

require (
	github.com/tetratelabs/wazero v1.12.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/goreactor/reactor => ../..
