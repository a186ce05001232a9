package quic_test

var connectionIDCases = map[string]conformanceCase{}
