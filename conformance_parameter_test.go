package quic_test

var parameterCases = map[string]conformanceCase{}
