// Package cmsg fuzzes the parser of the control messages that come with received datagrams.
//
// The kernel writes them, but a buffer that was too short ends anywhere in a message. Whatever the
// bytes are, the parser must end, must not read beyond them, and must find what stands before the
// damage.
package cmsg
