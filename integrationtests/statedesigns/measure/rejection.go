package measure

import (
	"context"
	"errors"
	"io"
	"time"

	quic "github.com/quic-go/quic-go"
)

// playRejection opens streams in 0-RTT, which the server rejects, and streams with the same IDs after that. The
// observed side is the client.
func (s *scene) playRejection(ctx context.Context) error {
	s.workload = workload{layers: 1}
	client := s.config()
	if s.log != nil {
		client.Tracer = tracer(s.log)
	}
	c, ln, err := s.pair.connectEarly(ctx, client, s.config())
	if err != nil {
		return err
	}
	defer ln.Close()
	s.client, s.observed = c, c
	s.layers = []*layer{newLayer(c, s.arm, s.log)}
	if err := s.openStreams(ctx, c, 0, s.playEarly); err != nil {
		return err
	}
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		echo(ctx, ln)
	}()
	next, err := c.NextConnection(ctx)
	if err != nil {
		return err
	}
	if next.ConnectionState().Used0RTT || s.log.currentEpoch() == 0 {
		return errors.New("0-RTT was not rejected")
	}
	if err := s.openStreams(ctx, next, s.cell.Streams, s.playLate); err != nil {
		return err
	}
	s.settle()
	s.applications.Wait()
	s.countLeaks()
	s.client = next
	s.log.add(event{kind: over})
	next.CloseWithError(0, "")
	<-accepting
	s.settle()
	s.judge()
	return nil
}

// openStreams opens as many streams as the cell asks for, and starts their application.
func (s *scene) openStreams(ctx context.Context, c *quic.Conn, first int, play func(int, application)) error {
	for i := range s.cell.Streams {
		stream, err := c.OpenStreamSync(ctx)
		if err != nil {
			return err
		}
		app, _ := s.open(first+i, stream)
		s.applications.Add(1)
		go func() {
			defer s.applications.Done()
			play(first+i, app)
		}()
	}
	return nil
}

// playEarly writes, and waits for an answer on every second stream.
func (s *scene) playEarly(number int, app application) {
	app.Write(make([]byte, 10))
	if number%2 == 0 {
		app.Read(make([]byte, 10))
	}
}

func (s *scene) playLate(_ int, app application) {
	app.Write(make([]byte, 10))
	app.Close()
	io.Copy(io.Discard, app)
}

// echo sends back what arrives on the streams of the next connection, until its end.
func echo(ctx context.Context, ln *quic.EarlyListener) {
	conn, err := ln.Accept(ctx)
	if err != nil {
		return
	}
	for {
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		go func() {
			time.Sleep(time.Microsecond) // so that nothing happens at the very instant of a frame
			io.Copy(stream, stream)
			stream.Close()
		}()
	}
}
