package handshake

import (
	"crypto/tls"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// newSharedResumption is newResumption with a ServerConfig.
func newSharedResumption() *resumption {
	r := newResumption()
	r.server.Server = NewServerConfig(r.server.TLS)
	return r
}

func TestSharedServerConfig(t *testing.T) {
	t.Run("its tickets are accepted by all who share the tls.Config", func(t *testing.T) {
		r := newSharedResumption()
		r.first(t)
		checkEarlyData(t, connected(t, r.client, r.server), true, true)
		r.server.Server = NewServerConfig(r.server.TLS)
		checkEarlyData(t, connected(t, r.client, r.server), true, true)
		r.server.Server = nil
		checkEarlyData(t, connected(t, r.client, r.server), true, true)
	})
	t.Run("it accepts tickets of a connection with a config of its own", func(t *testing.T) {
		r := newResumption()
		r.first(t)
		r.server.Server = NewServerConfig(r.server.TLS)
		checkEarlyData(t, connected(t, r.client, r.server), true, true)
	})
	t.Run("it follows the ticket keys", func(t *testing.T) {
		r := newSharedResumption()
		r.server.TLS.SetSessionTicketKeys([][32]byte{{1}})
		r.first(t)
		r.server.TLS.SetSessionTicketKeys([][32]byte{{2}, {1}})
		checkEarlyData(t, connected(t, r.client, r.server), true, true)
		r.server.TLS.SetSessionTicketKeys([][32]byte{{2}})
		if connected(t, r.client, r.server).client.ConnectionState().DidResume {
			t.Error("a ticket of a forgotten key was accepted")
		}
	})
	t.Run("it refuses tickets of another version", func(t *testing.T) {
		r := newSharedResumption()
		r.first(t)
		r.server.Version = protocol.Version2
		if connected(t, r.client, r.server).server.ConnectionState().DidResume {
			t.Error("the session was resumed with another version")
		}
	})
	t.Run("it issues no tickets if they are disabled", func(t *testing.T) {
		r := newResumption()
		r.server.TLS.SessionTicketsDisabled = true
		r.server.Server = NewServerConfig(r.server.TLS)
		if n := r.first(t).server.Crypto(protocol.Encryption1RTT).End(); n != 0 {
			t.Errorf("the server sent a ticket of %d bytes, want none", n)
		}
	})
}

func TestSharedServerConfigCallsTheApplication(t *testing.T) {
	r := newResumption()
	conf, calls := r.server.TLS, ""
	conf.WrapSession = func(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
		calls += "wrap "
		return conf.EncryptTicket(cs, s)
	}
	conf.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		calls += "unwrap "
		return conf.DecryptTicket(identity, cs)
	}
	r.server.Server = NewServerConfig(conf)
	r.first(t)
	checkEarlyData(t, connected(t, r.client, r.server), true, true)
	if calls != "wrap unwrap " {
		t.Errorf("calls = %q, want wrap and unwrap", calls)
	}
}

func TestSharedServerConfigChangesNothing(t *testing.T) {
	conf := serverTLS()
	NewServerConfig(conf)
	if conf.MinVersion != 0 || conf.WrapSession != nil || conf.UnwrapSession != nil {
		t.Error("the config was changed")
	}
}

func TestNoSharedServerConfig(t *testing.T) {
	for name, conf := range map[string]*tls.Config{
		"GetConfigForClient":          {GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }},
		"GetCertificate":              {GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }},
		"GetEncryptedClientHelloKeys": {GetEncryptedClientHelloKeys: func(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) { return nil, nil }},
	} {
		if NewServerConfig(conf) != nil {
			t.Errorf("%s: connections share a config, but are to be told their addresses", name)
		}
	}
}
