package http3_test

var settingsCases = map[string]conformanceCase{}
