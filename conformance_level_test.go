package quic_test

var levelCases = map[string]conformanceCase{}
