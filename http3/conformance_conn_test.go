package http3_test

var connCases = map[string]conformanceCase{}
