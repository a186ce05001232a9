package http3_test

var frameCases = map[string]conformanceCase{}
