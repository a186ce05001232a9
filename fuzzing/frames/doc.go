// Package frames fuzzes the parser of the frames in received packets.
//
// Whatever the payload is, the parser must end with a frame or with a *qerr.TransportError, must not read
// beyond the payload and must not change it. A frame that it accepts is written again, and what is
// parsed then must be equal.
package frames
