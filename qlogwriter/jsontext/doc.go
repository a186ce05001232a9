// Package jsontext writes JSON token by token, without reflection.
//
// An Encoder is used by one goroutine at a time. It checks that tokens come in an order that
// JSON allows and reports the first error of its writer; it never buffers a whole document.
package jsontext
