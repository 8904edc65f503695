// Package reactor waits for many sockets at once: a readiness reactor over epoll, kqueue, IOCP and WASI poll_oneoff, with
// non-blocking sockets made for it.
//
// It is for programs that hold very many connections, where a goroutine and a buffer for each cost too much: proxies,
// brokers, game and telemetry servers, agents. For anything else package net is simpler.
//
// # Model
//
// A [Poll] watches sources. A [Source] is a socket or pipe of this package ([Listener], [Conn], [PacketConn],
// [PipeReader], [PipeWriter]), a descriptor that somebody else owns ([Raw]), or a value of packages net and os
// ([FromSyscallConn]). [Poll.Register] names it by a [Token], says which directions are of interest, and in which
// [Mode]. [Poll.Wait] gives an [Event] for each registration that is ready. The program then reads, writes or accepts; these
// calls never block, and what cannot be done now gives [ErrWouldBlock].
//
//	p, err := reactor.NewPoll()
//	l, err := reactor.Listen("tcp", "127.0.0.1:9000")
//	err = p.Register(l, 0, reactor.Readable, reactor.Edge)
//	events := make([]reactor.Event, 256)
//	for {
//		n, err := p.Wait(events, -1)
//		for _, e := range events[:n] {
//			// accept until ErrWouldBlock, or read and write the connection that e.Token names
//		}
//	}
//
// A [Waker] makes Wait return from any goroutine.
//
// # Modes
//
// The three modes mean the same on every system:
//
//   - [Edge]: an event when readiness arises, or when a source is registered or re-registered ready. No further event while
//     nothing happens. New activity gives an event again for certain once an operation in that direction gave
//     ErrWouldBlock or was short (a Peek counts when it would block; Accept is drained to ErrWouldBlock), or after
//     Reregister; before that it may. An event may also name the other direction if that is ready.
//   - [Level]: an event from every Wait while the source is ready. With little room, every ready source gets its turn.
//   - [Oneshot]: one event that names all directions ready when Wait returned; then the whole registration sleeps
//     until Reregister.
//
// Readiness is a hint: the data may have been read by somebody else in the meantime. But no event comes for a source that
// was deregistered or closed before Wait began, nor for a oneshot that sleeps.
//
// Where the kernel's poller has no edges of its own (poll, poll_oneoff, AFD, event ports), the sockets' own Read, Write,
// Accept and so on arm them. For [Raw] and [FromSyscallConn] sources, whose I/O this package does not see, an Edge event is
// the last one there until Reregister; Level and Oneshot are exact.
//
// # What may be relied on
//
//   - A short read drains a stream: after 0 < n < len(p) wait for the next event, unless this one said ReadClosed or
//     Priority. It saves a system call an event. Datagrams are read until ErrWouldBlock or a short [PacketConn.ReadBatch].
//   - At most one Event for a registration from one Wait. Events that do not fit come first next time; none is lost.
//   - Register, Reregister, Deregister, Close and Wake may be called from any goroutine, and take effect in a Wait that is
//     under way. Wait itself serves one goroutine at a time; another gets [ErrBusy].
//   - Close is safe at any time: operations under way end first, and no descriptor number is used after it was closed.
//     A closed source is deregistered. Closed things give [ErrClosed].
//   - Nothing allocates on the way from Wait to Read, Write and the batches.
//   - Descriptors are non-blocking and close-on-exec from birth.
//   - There are no finalizers: sockets, polls and wakers are closed by their owner.
//
// # Systems
//
//	system                              backend       what it lacks
//	Linux, Android                      epoll         –
//	macOS, iOS                          kqueue        –
//	FreeBSD, NetBSD                     kqueue        Priority
//	OpenBSD, DragonFly BSD              kqueue        sockets of both IP families
//	Windows                             iocp          Pair, PacketPair, Pipe, ReusePort, hand-over to package net
//	illumos, Solaris                    eventport     batches by one call
//	AIX; any Unix with -tags reactor_poll  poll       Fd; batches by one call (AIX)
//	WASI preview 1                      poll_oneoff   opening sockets; datagrams, options, addresses, Priority
//	js, Plan 9                          none          NewPoll gives errors.ErrUnsupported
//
// The README tells how far each has been tested. On Linux for 386 and s390x the kernel must be 4.3 or later.
//
// Everything compiles everywhere; what a system lacks gives an error that is [errors.ErrUnsupported].
//
// References: mio (Rust) for the model; epoll(7), socket(7), tcp(7), udp(7), unix(7), ip(7), ipv6(7).
package reactor
