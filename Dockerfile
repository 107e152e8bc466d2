# A static binary and nothing else. Build: docker build -t sallyport .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /sallyport ./cmd/sallyport

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sallyport /sallyport
USER 65532:65532
EXPOSE 8080 8081 8082
ENTRYPOINT ["/sallyport"]
CMD ["serve", "-c", "/etc/sallyport/sallyport.yaml"]
