package http3_test

var streamCases = map[string]conformanceCase{}
