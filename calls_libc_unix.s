//go:build darwin || openbsd

#include "textflag.h"

// Each function of the C library is reached by a jump, whose address is kept in a variable: package syscall calls it on a
// stack that C may use.

#ifdef GOARCH_386
#define POINTER 4
#endif
#ifdef GOARCH_arm
#define POINTER 4
#endif
#ifndef POINTER
#define POINTER 8
#endif

#ifdef GOARCH_ppc64
// A jump to what is linked dynamically does not exist there.
#define GOTO(function) CALL function; RET
#else
#define GOTO(function) JMP function
#endif

TEXT to_accept<>(SB),NOSPLIT,$0-0
	GOTO(libc_accept(SB))
GLOBL ·callAccept(SB), RODATA, $POINTER
DATA ·callAccept(SB)/POINTER, $to_accept<>(SB)

TEXT to_bind<>(SB),NOSPLIT,$0-0
	GOTO(libc_bind(SB))
GLOBL ·callBind(SB), RODATA, $POINTER
DATA ·callBind(SB)/POINTER, $to_bind<>(SB)

TEXT to_connect<>(SB),NOSPLIT,$0-0
	GOTO(libc_connect(SB))
GLOBL ·callConnect(SB), RODATA, $POINTER
DATA ·callConnect(SB)/POINTER, $to_connect<>(SB)

TEXT to_getpeername<>(SB),NOSPLIT,$0-0
	GOTO(libc_getpeername(SB))
GLOBL ·callGetpeername(SB), RODATA, $POINTER
DATA ·callGetpeername(SB)/POINTER, $to_getpeername<>(SB)

TEXT to_getsockname<>(SB),NOSPLIT,$0-0
	GOTO(libc_getsockname(SB))
GLOBL ·callGetsockname(SB), RODATA, $POINTER
DATA ·callGetsockname(SB)/POINTER, $to_getsockname<>(SB)

TEXT to_recvfrom<>(SB),NOSPLIT,$0-0
	GOTO(libc_recvfrom(SB))
GLOBL ·callRecvfrom(SB), RODATA, $POINTER
DATA ·callRecvfrom(SB)/POINTER, $to_recvfrom<>(SB)

TEXT to_recvmsg<>(SB),NOSPLIT,$0-0
	GOTO(libc_recvmsg(SB))
GLOBL ·callRecvmsg(SB), RODATA, $POINTER
DATA ·callRecvmsg(SB)/POINTER, $to_recvmsg<>(SB)

TEXT to_sendmsg<>(SB),NOSPLIT,$0-0
	GOTO(libc_sendmsg(SB))
GLOBL ·callSendmsg(SB), RODATA, $POINTER
DATA ·callSendmsg(SB)/POINTER, $to_sendmsg<>(SB)

TEXT to_sendto<>(SB),NOSPLIT,$0-0
	GOTO(libc_sendto(SB))
GLOBL ·callSendto(SB), RODATA, $POINTER
DATA ·callSendto(SB)/POINTER, $to_sendto<>(SB)

