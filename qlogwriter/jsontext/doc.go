// Package jsontext writes JSON without reflection: token by token, or an object at a time.
//
// An Encoder is used by one goroutine at a time. It checks that tokens come in an order that
// JSON allows and reports the first error of its writer; it never buffers a whole document. An Object is for
// events that are written often: it collects its members in a buffer of the Encoder and checks nothing.
package jsontext
