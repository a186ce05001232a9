// Package recipes holds what layers above QUIC do with the states of streams: small pieces to copy, each with an example that
// shows it at work. docs/stream-state.md explains them.
//
// The callbacks that these functions set run on the loop goroutine of the connection, or, after its end, in the call that sets
// them. They take a lock for a moment, close or cancel, and never wait.
package recipes
