'use strict'
// Carries wire messages without knowing any device: MQTT, UDP, HTTP. What only PEMS itself speaks goes back to it.

const dgram = require('node:dgram')

const HTTP_WITHIN_MS = 5000

/** What became of a message. `core`: PEMS has to carry it itself (Modbus). */
const CARRIED = 'carried'
const CORE = 'core'

/**
 * The faults of wire messages; none if they can be carried.
 * @returns {string[]} each with its place, what was found and what is allowed
 */
function faultsOf (wire, place = 'wire') {
  if (!Array.isArray(wire) || wire.length === 0) {
    return [`${place}: found ${JSON.stringify(wire)}; allowed: a list of at least one message`]
  }
  return wire.flatMap((message, index) => faultsOfMessage(message, `${place}[${index}]`))
}

function faultsOfMessage (message, place) {
  if (message === null || typeof message !== 'object') return [`${place}: found ${JSON.stringify(message)}; allowed: a message`]
  const check = MESSAGES[message.transport]
  if (check === undefined) {
    return [`${place}: transport: found ${JSON.stringify(message.transport)}; allowed: ${Object.keys(MESSAGES).join(', ')}`]
  }
  return check(message).map((fault) => `${place}: ${fault}`)
}

const MESSAGES = {
  mqtt: ({ topic, payload }) => [
    ...(typeof topic === 'string' && /^[^#+]+$/.test(topic) ? [] : [`topic: found ${JSON.stringify(topic)}; allowed: a topic without # and +`]),
    ...(typeof payload === 'string' ? [] : [`payload: found ${JSON.stringify(payload)}; allowed: a text`])
  ],
  udp: ({ target, body }) => [
    ...(udpTarget(target) ? [] : [`target: found ${JSON.stringify(target)}; allowed: host:port`]),
    ...(typeof body === 'string' ? [] : [`body: found ${JSON.stringify(body)}; allowed: a text`])
  ],
  http: ({ target, carried_by: by }) => by === 'core' || httpTarget(target) ? [] : [`target: found ${JSON.stringify(target)}; allowed: http(s)://host/path`],
  modbus: () => []
}

function udpTarget (target) {
  const found = /^(?:udp:\/\/)?(\[[0-9a-fA-F:]+\]|[^:/]+):(\d{1,5})$/.exec(target)
  if (found === null || Number(found[2]) < 1 || Number(found[2]) > 65535) return null
  return { host: found[1].replace(/^\[|\]$/g, ''), port: Number(found[2]) }
}

function httpTarget (target) {
  try {
    const url = new URL(target)
    return ['http:', 'https:'].includes(url.protocol) ? url : null
  } catch (error) {
    return null
  }
}

/**
 * Carry messages one after the other; those after one that fails are not sent.
 * @param {object[]} wire
 * @param {{publish: function(string, string, object): Promise<void>}} lines how MQTT is published; rejects unless the broker has it
 * @returns {Promise<string>} `carried`, or `core` if PEMS has to do it
 */
async function carry (wire, lines) {
  const faults = faultsOf(wire)
  if (faults.length > 0) throw new Error(faults.join('; '))
  if (wire.some((message) => message.transport === 'modbus' || message.carried_by === 'core')) return CORE
  for (const message of wire) await CARRIERS[message.transport](message, lines)
  return CARRIED
}

const CARRIERS = {
  mqtt: ({ topic, payload, qos = 1, retain = false }, lines) => lines.publish(topic, payload, { qos, retain }),
  udp: ({ target, body }) => sendUdp(udpTarget(target), body),
  http: ({ target, body, method }) => sendHttp(target, body, method)
}

function sendUdp ({ host, port }, body) {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.send(body, port, host, (error) => error ? reject(error) : resolve())
  }).finally(() => socket.close())
}

async function sendHttp (target, body, method) {
  const url = new URL(target)
  const headers = {}
  if (url.username) {
    headers.authorization = 'Basic ' + Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')
    url.username = url.password = ''
  }
  const how = method || (body ? 'POST' : 'GET')
  const answer = await fetch(url, { method: how, headers, body: how === 'GET' ? undefined : body, signal: AbortSignal.timeout(HTTP_WITHIN_MS) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url.host} answered ${answer.status}: ${text.slice(0, 60)}`)
}

module.exports = { carry, faultsOf, CARRIED, CORE }
