package quic_test

var packetCases = map[string]conformanceCase{}
