package quic_test

var closeCases = map[string]conformanceCase{}
