package http3

// A RequestStream was always comparable, and programs may have it as the key of a map.
var _ map[RequestStream]struct{}
