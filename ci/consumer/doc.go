// Package consumer tests the module as its users get it: packed for a version, fetched by go get into a module of
// somebody else's, and built there for other systems. It has no code of its own.
package consumer
