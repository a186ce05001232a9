// Package token fuzzes the address validation tokens of internal/handshake. Whatever bytes a client sends as a
// token, decoding does not panic and accepts exactly the tokens that the server made, with the content
// they were made with; they are valid only for their kind, time, version and address.
//
// The package has tests only and owns nothing.
package token
