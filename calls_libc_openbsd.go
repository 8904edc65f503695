package reactor

//go:cgo_import_dynamic libc_accept accept4 "libc.so"
//go:cgo_import_dynamic libc_bind bind "libc.so"
//go:cgo_import_dynamic libc_connect connect "libc.so"
//go:cgo_import_dynamic libc_getpeername getpeername "libc.so"
//go:cgo_import_dynamic libc_getsockname getsockname "libc.so"
//go:cgo_import_dynamic libc_recvfrom recvfrom "libc.so"
//go:cgo_import_dynamic libc_recvmsg recvmsg "libc.so"
//go:cgo_import_dynamic libc_sendmsg sendmsg "libc.so"
//go:cgo_import_dynamic libc_sendto sendto "libc.so"
