package http3

import "crypto/tls"

// NextProtoH3 is the ALPN of HTTP/3 (RFC 9114, Section 3.1).
const NextProtoH3 = "h3"

// ConfigureTLSConfig returns a copy of a configuration that negotiates HTTP/3, and nothing else. The
// results of its GetConfigForClient are changed in the same way.
func ConfigureTLSConfig(tlsConf *tls.Config) *tls.Config {
	conf := tlsConf.Clone()
	conf.NextProtos = []string{NextProtoH3}
	if get := conf.GetConfigForClient; get != nil {
		conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			inner, err := get(hello)
			if err != nil || inner == nil {
				return inner, err
			}
			inner = inner.Clone()
			inner.NextProtos = []string{NextProtoH3}
			return inner, nil
		}
	}
	return conf
}
