package http3

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
)

// SetQUICHeaders adds the Alt-Svc header that announces the server (RFC 9114, Section 3.1.1).
// It returns ErrNoAltSvcPort if the server does not listen.
func (s *Server) SetQUICHeaders(header http.Header) error {
	s.mu.Lock()
	value := s.altSvc
	s.mu.Unlock()
	if value == "" {
		return ErrNoAltSvcPort
	}
	header["Alt-Svc"] = append(header["Alt-Svc"], value)
	return nil
}

// updateAltSvcLocked makes the header of the listeners that there are.
func (s *Server) updateAltSvcLocked() {
	ports := make(map[int]struct{})
	for ln := range s.listeners {
		if port := s.announcedPort(ln.Addr()); port > 0 {
			ports[port] = struct{}{}
		}
	}
	var entries []string
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		entries = append(entries, fmt.Sprintf(`%s=":%d"; ma=2592000`, NextProtoH3, port))
	}
	s.altSvc = strings.Join(entries, ",")
}

// announcedPort returns the port to announce for a listener, 0 if there is none.
func (s *Server) announcedPort(addr net.Addr) int {
	if s.Port > 0 {
		return s.Port
	}
	if udp, ok := addr.(*net.UDPAddr); ok {
		return udp.Port
	}
	for _, a := range []string{addr.String(), s.Addr} {
		_, service, err := net.SplitHostPort(a)
		if err != nil {
			continue
		}
		if port, err := net.LookupPort("udp", service); err == nil && port > 0 {
			return port
		}
	}
	return 0
}
