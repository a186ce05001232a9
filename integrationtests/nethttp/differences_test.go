package nethttp_test

// A reason says why a difference is right.
type reason string

const (
	version         reason = "that is what the protocol is called"
	asBuffer        reason = "as quic-go v0.65.0: responses below 4096 bytes get a Content-Length"
	asLength        reason = "as quic-go v0.65.0: what exceeds Content-Length fails with http.ErrContentLength and is not sent"
	no204           reason = "RFC 9110, Sections 8.6 and 15.3.5: 204 has neither Content-Length nor content nor trailers"
	no304           reason = "RFC 9110, Section 15.4.5: 304 has no content, whatever Content-Length says"
	as304           reason = "as quic-go v0.65.0: without Content-Length the length of 304 is -1"
	headNeverFails  reason = "RFC 9110, Section 9.3.2: there is no content to send, so writing it does not fail, as in net/http with HTTP/1.1"
	asCause         reason = "as quic-go v0.65.0: the cause is that of the stream, the context is canceled in both"
	asDeadline      reason = "as quic-go v0.65.0: a stream is usable again after its deadline is taken back"
	asCancelled     reason = "as quic-go v0.65.0: *http3.Error with H3_REQUEST_CANCELLED"
	connectLength   reason = "RFC 9110, Section 8.6: a successful response to CONNECT has no Content-Length"
	asDropped       reason = "as quic-go v0.65.0: fields of connections are dropped from requests"
	general         reason = "http3.Server has no DisableGeneralOptionsHandler: handlers see each request"
	te              reason = "RFC 9114, Section 4.2: TE may say \"trailers\" only; the client leaves out what else it says"
	asUserAgent     reason = "as quic-go v0.65.0"
	asCtx           reason = "as quic-go v0.65.0: the error of the context, not its cause"
	asTooLarge      reason = "as quic-go v0.65.0: the server answers with 431; over HTTP/2 the client knows the limit from SETTINGS"
	asGETLength     reason = "as quic-go v0.65.0: -1 without Content-Length; the end of a stream may come later than its header"
	nilHeader       reason = "a nil header is an empty one, as everywhere in net/http but there"
	spaces          reason = "RFC 9110, Section 5.5: a field value does not include leading or trailing whitespace"
	asContextKeys   reason = "as quic-go v0.65.0: the server is an http3.Server"
	no101           reason = "RFC 9114, Section 4.5: there is no 101 in HTTP/3"
	asInformational reason = "as quic-go v0.65.0: at most 5 informational responses"
	asHop           reason = "as quic-go v0.65.0: such fields are passed on as set; clients must refuse them (RFC 9114, Section 4.2)"
	contradiction   reason = "RFC 9114, Section 4.1.2: contradicting Content-Lengths are malformed, and the client refuses them"
	asLate          reason = "as quic-go v0.65.0: the header is sent as it is when the buffer is flushed"
	trailerOnly     reason = "RFC 9110, Section 6.6.2: what Trailer announces is sent as a trailer, and only there"
	invalidValue    reason = "RFC 9110, Section 5.5: CR, LF and NUL become spaces, as in net/http with HTTP/1.1"
	trailerNames    reason = "RFC 9110, Section 6.5.1: such fields are not allowed in trailers"
	network         reason = "QUIC runs over UDP"
	got1xx          reason = "net/http/httptrace says that the request fails with this error"
	asShort         reason = "as quic-go v0.65.0"
	asUpload        reason = "as quic-go v0.65.0: the stream is reset, and the error is how the server ends it"
	asDuplex        reason = "as quic-go v0.65.0: not supported; reading and writing at the same time always works"
	closeNotifier   reason = "deprecated in favour of Request.Context"
	asWriter        reason = "as quic-go v0.65.0"
)

// differences is what the stacks do not have in common, in the order of its names.
var differences = []difference{
	{"client: fields of the response", "client: Proto", "HTTP/2.0 2.0", "HTTP/3.0 3.0", version},
	{"content: 4096 bytes in two writes", "client: header", "Content-Length: 4096, Content-Type: text/plain; charset=utf-8", "Content-Type: text/plain; charset=utf-8", asBuffer},
	{"content: 4096 bytes in two writes", "client: length", "4096", "-1", asBuffer},
	{"content: 4096 bytes", "client: header", "Content-Length: 4096, Content-Type: text/plain; charset=utf-8", "Content-Type: text/plain; charset=utf-8", asBuffer},
	{"content: 4096 bytes", "client: length", "4096", "-1", asBuffer},
	{"content: declared as 0", "client: body", "\"\", another error", "\"\", no error", asLength},
	{"content: declared as 0", "handler: write", "4, no error", "0, http.ErrContentLength", asLength},
	{"content: longer than declared in one write", "client: body", "\"body\", another error", "\"\", io.ErrUnexpectedEOF", asLength},
	{"content: longer than declared in one write", "handler: write", "8, no error", "0, http.ErrContentLength", asLength},
	{"content: longer than declared", "client: body", "\"body\", another error", "\"body\", no error", asLength},
	{"content: longer than declared", "handler: write", "4, no error; 4, no error", "4, no error; 0, http.ErrContentLength", asLength},
	{"content: with 204 and Content-Length", "client: body", "\"\", io.ErrUnexpectedEOF", "\"\", no error", no204},
	{"content: with 204 and Content-Length", "client: header", "Content-Length: 4", "", no204},
	{"content: with 204 and Content-Length", "client: length", "4", "0", no204},
	{"content: with 304 and Content-Length", "client: body", "\"\", io.ErrUnexpectedEOF", "\"\", no error", no304},
	{"content: with 304", "client: length", "0", "-1", as304},
	{"content: with HEAD and Flush", "handler: write", "4, no error; 0, another error", "4, no error; 4, no error", headNeverFails},
	{"content: with HEAD, 5000 bytes", "handler: write", "4096, another error", "5000, no error", headNeverFails},
	{"content: with HEAD, longer than declared", "handler: write", "4, no error", "0, http.ErrContentLength", asLength},
	{"context: while and after the handler runs", "handler: context afterwards", "context canceled, cause context.Canceled", "context canceled, cause another error", asCause},
	{"deadline: of reading, taken back too late", "handler: read again", "false", "true", asDeadline},
	{"end: the client cancels in the body", "client: read", "context.Canceled", "another error", asCancelled},
	{"end: the client's deadline passes in the body", "client: read", "context.DeadlineExceeded", "another error", asCancelled},
	{"library: http.ServeContent", "client: length", "10000; 10000; 10; 10; 5; 5; 10; 10; 33; 33; 0; -1; 0; -1; 0; -1; 10000; 10000", "10000; 10000; 10; 10; 5; 5; 10; 10; 33; 33; -1; -1; -1; -1; 0; -1; 10000; 10000", as304},
	{"request: CONNECT", "client: header", "Content-Length: 6, Content-Type: text/plain; charset=utf-8", "Content-Type: text/plain; charset=utf-8", connectLength},
	{"request: CONNECT", "client: length", "6", "-1", connectLength},
	{"request: Connection with other options", "client: error", "another error", "no error", asDropped},
	{"request: Connection with other options", "client: status", "-", "200 OK", asDropped},
	{"request: OPTIONS *", "handler: called", "-", "OPTIONS * *", general},
	{"request: TE: gzip", "client: status", "400 Bad Request", "200 OK", te},
	{"request: Transfer-Encoding: gzip", "client: error", "another error", "no error", asDropped},
	{"request: Transfer-Encoding: gzip", "client: status", "-", "200 OK", asDropped},
	{"request: Upgrade", "client: error", "another error", "no error", asDropped},
	{"request: Upgrade", "client: status", "-", "200 OK", asDropped},
	{"request: User-Agent by default", "handler: header", "Accept-Encoding: gzip, User-Agent: Go-http-client/2.0", "Accept-Encoding: gzip, User-Agent: quic-go HTTP/3", asUserAgent},
	{"request: context ended before", "client: error", "context.Canceled; context.DeadlineExceeded; the reader's own error", "context.Canceled; context.DeadlineExceeded; context.Canceled", asCtx},
	{"request: header larger than Server.MaxHeaderBytes", "client: error", "no error; another error; no error", "no error; no error; no error", asTooLarge},
	{"request: header larger than Server.MaxHeaderBytes", "client: status", "200 OK; 200 OK", "200 OK; 431 Request Header Fields Too Large; 200 OK", asTooLarge},
	{"request: length of GET without body", "handler: length", "0", "-1", asGETLength},
	{"request: nil header", "client: error", "another error", "no error", nilHeader},
	{"request: nil header", "client: status", "-", "200 OK", nilHeader},
	{"request: spaces around values", "handler: header", "Accept-Encoding: gzip, User-Agent: test, X-Space:  a  | \tb\t | c d", "Accept-Encoding: gzip, User-Agent: test, X-Space: a | b | c d", spaces},
	{"request: what is known of the connection", "handler: ALPN", "h2", "h3", version},
	{"request: what is known of the connection", "handler: ServerContextKey", "true", "false", asContextKeys},
	{"request: what is known of the connection", "handler: http3.ServerContextKey", "false", "true", asContextKeys},
	{"request: what is known of the connection", "handler: protocol", "HTTP/2.0 2.0", "HTTP/3.0 3.0", version},
	{"response: 101 (Switching Protocols)", "client: informational", "101 ", "-", no101},
	{"response: 6 informational", "client: error", "no error", "another error", asInformational},
	{"response: 6 informational", "client: status", "200 OK", "-", asInformational},
	{"response: Connection", "client: error", "no error", "another error", asHop},
	{"response: Connection", "client: status", "200 OK", "-", asHop},
	{"response: Connection: close", "client: error", "no error", "another error", asHop},
	{"response: Connection: close", "client: status", "200 OK", "-", asHop},
	{"response: Content-Length not in canonical form", "client: error", "no error", "another error", contradiction},
	{"response: Content-Length not in canonical form", "client: status", "200 OK", "-", contradiction},
	{"response: Keep-Alive, Proxy-Connection, Upgrade", "client: error", "no error", "another error", asHop},
	{"response: Keep-Alive, Proxy-Connection, Upgrade", "client: status", "200 OK", "-", asHop},
	{"response: Transfer-Encoding", "client: error", "no error", "another error", asHop},
	{"response: Transfer-Encoding", "client: status", "200 OK", "-", asHop},
	{"response: Transfer-Encoding: identity", "client: error", "no error", "another error", asHop},
	{"response: Transfer-Encoding: identity", "client: status", "200 OK", "-", asHop},
	{"response: all statuses", "client: length", "0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0", "0; 0; 0; 0; 0; 0; 0; 0; 0; -1; 0; 0; 0; 0; 0; 0; 0; 0; 0; 0", as304},
	{"response: header changed after Write", "client: header", "Content-Length: 4, Content-Type: text/plain; charset=utf-8, X-Before: 1", "Content-Length: 4, Content-Type: after/all, X-After: 1", asLate},
	{"response: header changed after WriteHeader", "client: header", "Content-Length: 0, X-Before: 1, X-List: 1", "Content-Length: 0, X-After: 1, X-List: 1 | 2", asLate},
	{"response: informational with Trailer", "client: header", "Content-Length: 5, Content-Type: text/plain; charset=utf-8, X-Trailer: late", "Content-Length: 5, Content-Type: text/plain; charset=utf-8", trailerOnly},
	{"response: informational with Trailer", "client: informational", "103 X-Trailer: early", "103 ", trailerOnly},
	{"response: invalid field values", "client: header", "Content-Length: 0, X-Bad: good, X-Good: 1", "Content-Length: 0, X-Bad: a b | good, X-Good: 1, X-Nul: ", invalidValue},
	{"response: spaces around values", "client: header", "Content-Length: 0, X-Space:  a  | \tb", "Content-Length: 0, X-Space: a | b", spaces},
	{"response: trailers with 204", "client: length", "-1", "0", no204},
	{"response: trailers with 204", "client: trailer", "X-One: 1", "X-One: ", no204},
	{"response: trailers with forbidden names", "client: trailer", "Content-Length: , Trailer: , Transfer-Encoding: , X-Good: 1", "X-Good: 1", trailerNames},
	{"response: trailers, announced and set before", "client: header", "Content-Length: 4, Content-Type: text/plain; charset=utf-8, X-One: 1", "Content-Length: 4, Content-Type: text/plain; charset=utf-8", trailerOnly},
	{"response: trailers, announced", "client: header", "Content-Length: 4, Content-Type: text/plain; charset=utf-8", "Content-Length: 4, Content-Type: text/plain; charset=utf-8, X-Other: 1", asLate},
	{"response: values changed after WriteHeader", "client: header", "Content-Length: 0, X-Value: before", "Content-Length: 0, X-Value: after", asLate},
	{"trace: GET", "client: network", "tcp", "udp", network},
	{"trace: Got1xxResponse fails", "client: error", "another error", "the reader's own error", got1xx},
	{"upload: shorter than declared", "handler: read", "another error", "io.ErrUnexpectedEOF", asShort},
	{"upload: that fails", "client: error", "the reader's own error", "another error", asUpload},
	{"writer: http.ResponseController", "handler: EnableFullDuplex", "no error", "http.ErrNotSupported", asDuplex},
	{"writer: interfaces", "handler: CloseNotifier", "true", "false", closeNotifier},
	{"writer: interfaces", "handler: Pusher", "true", "false", asWriter},
	{"writer: interfaces", "handler: StringWriter", "true", "false", asWriter},
}
