package quicproxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// maxDatagramSize is the largest UDP payload.
const maxDatagramSize = 65527

// A DropCallback says whether to drop a datagram between a client and the server.
type DropCallback func(dir Direction, from, to net.Addr, packet []byte) bool

// A DelayCallback says for how long to hold a datagram back.
type DelayCallback func(dir Direction, from, to net.Addr, packet []byte) time.Duration

// A Proxy forwards datagrams. Its fields may not be changed after Start.
type Proxy struct {
	// Conn is the socket that the clients send to. Start takes it over.
	Conn *net.UDPConn
	// ServerAddr is where the datagrams of the clients go.
	ServerAddr *net.UDPAddr
	// DropPacket and DelayPacket may be nil: nothing is dropped, nothing delayed.
	DropPacket  DropCallback
	DelayPacket DelayCallback

	done    chan struct{}
	running sync.WaitGroup
	end     sync.Once
	endErr  error

	mu      sync.Mutex
	clients map[netip.AddrPort]*client
	over    bool
}

// A client has a socket of its own, by which the server knows it.
type client struct {
	addr     *net.UDPAddr
	conn     atomic.Pointer[net.UDPConn] // to the server
	toServer *delayLine
	toClient *delayLine
}

// Start begins to forward datagrams. It does not block.
func (p *Proxy) Start() error {
	if p.Conn == nil || p.ServerAddr == nil {
		return errors.New("quicproxy: Conn and ServerAddr are required")
	}
	p.done = make(chan struct{})
	p.clients = make(map[netip.AddrPort]*client)
	p.running.Go(p.readClients)
	return nil
}

// LocalAddr returns the address that the clients send to.
func (p *Proxy) LocalAddr() net.Addr { return p.Conn.LocalAddr() }

// Close closes all sockets, forgets delayed datagrams and waits for the goroutines.
func (p *Proxy) Close() error {
	p.end.Do(func() {
		close(p.done)
		p.endErr = p.Conn.Close()
		p.mu.Lock()
		p.over = true
		for _, c := range p.clients {
			c.conn.Load().Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p.endErr
}

// readClients forwards what the clients send.
func (p *Proxy) readClients() {
	buf := make([]byte, maxDatagramSize)
	for {
		n, addr, err := p.Conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if p.closed(err) {
				return
			}
			continue // an ICMP error of an earlier datagram
		}
		c, err := p.client(unmap(addr))
		if err != nil {
			return
		}
		p.forward(DirectionIncoming, c, buf[:n])
	}
}

func (p *Proxy) closed(err error) bool {
	select {
	case <-p.done:
		return true
	default:
		return errors.Is(err, net.ErrClosed)
	}
}

// client returns the client with the given address, a new one if need be.
func (p *Proxy) client(addr netip.AddrPort) (*client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.clients[addr]; ok {
		return c, nil
	}
	if p.over {
		return nil, net.ErrClosed
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: p.Conn.LocalAddr().(*net.UDPAddr).IP})
	if err != nil {
		return nil, err
	}
	c := &client{addr: net.UDPAddrFromAddrPort(addr)}
	c.conn.Store(conn)
	c.toServer = newDelayLine(p.done, func(b []byte) { _, _ = c.conn.Load().WriteTo(b, p.ServerAddr) })
	c.toClient = newDelayLine(p.done, func(b []byte) { _, _ = p.Conn.WriteToUDPAddrPort(b, addr) })
	p.clients[addr] = c
	p.running.Go(c.toServer.run)
	p.running.Go(c.toClient.run)
	p.running.Go(func() { p.readServer(c, conn) })
	return c, nil
}

// readServer forwards what the server sends to a socket of the client.
func (p *Proxy) readServer(c *client, conn *net.UDPConn) {
	buf := make([]byte, maxDatagramSize)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if p.closed(err) {
				return
			}
			continue
		}
		p.forward(DirectionOutgoing, c, buf[:n])
	}
}

// forward drops, delays or sends a datagram. Errors of sending count as loss.
func (p *Proxy) forward(dir Direction, c *client, b []byte) {
	line, from, to := c.toServer, c.addr, p.ServerAddr
	if dir == DirectionOutgoing {
		line, from, to = c.toClient, p.ServerAddr, c.addr
	}
	if p.DropPacket != nil && p.DropPacket(dir, from, to, b) {
		return
	}
	var delay time.Duration
	if p.DelayPacket != nil {
		delay = p.DelayPacket(dir, from, to, b)
	}
	if delay <= 0 {
		line.send(b)
		return
	}
	line.add(b, delay)
}

// unmap makes one key of the two forms of an IPv4 address.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// SwitchConn gives the client another socket, as if its NAT had given it another address. What the server
// sends to the old one does not arrive any more. The Proxy takes conn over.
func (p *Proxy) SwitchConn(clientAddr *net.UDPAddr, conn *net.UDPConn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.clients[unmap(clientAddr.AddrPort())]
	if !ok || p.over {
		return fmt.Errorf("quicproxy: client %s not found", clientAddr)
	}
	c.conn.Swap(conn).Close()
	p.running.Go(func() { p.readServer(c, conn) })
	return nil
}
