// Package servers holds three echo servers built on package reactor: [TCP], [ListenFD], which serves
// sockets that its parent opened, and [UDP]. Each is a struct whose zero value is ready to use and whose Run
// method serves until its context is done. The programs below cmd run them.
//
// They are small, and show how a server is built on the reactor; and they are meant to be run, so that they
// keep what a server owes to its machine and to its other clients:
//
//   - Memory is bounded: one read buffer a loop, and a buffer for a client only while it has output that it is
//     slow to take, up to a limit at which nothing more is read from it.
//   - No client starves the others: a turn reads a fixed amount from one connection and accepts a fixed
//     number of new ones, and what is left waits for the next turn.
//   - Running out of descriptors or memory delays new connections; it ends neither the server nor its clients.
//
// On a system that lacks what a server needs, Run gives an error that is [errors.ErrUnsupported].
package servers
