'use strict'
// One house at a real broker: what is asked, what is handed over, and that nothing is sent twice.

const assert = require('node:assert')
const test = require('node:test')
const { Site } = require('../lib/site')
const { Broker, Ears, noBroker, until, pause } = require('./support')

const BASE = 'pems/home'
const wire = (payload) => [{ transport: 'mqtt', topic: 'device/set', payload, qos: 1 }]
const SET = { device: 'inverter', control: 'mode', value: 'grid_first', for_minutes: 30, by: 'me' }
const beat = () => ({ healthy: true, valid_for_s: 60, at: new Date().toISOString(), speed: 1 })
const OFFLINE = { state: 'offline' }

async function scene (t, kept = {}) {
  const broker = await Broker.start()
  const ears = await Ears.at(broker)
  const site = new Site({ url: broker.url, site: 'home', kept, mqtt: { reconnectPeriod: 200 } })
  const troubles = []
  site.on('trouble', (error) => troubles.push(error.message))
  site.open()
  t.after(async () => {
    await site.close()
    await ears.end()
    await broker.end()
  })
  await until(() => site.house.connected)
  const tell = (topic, said) => ears.say(`${BASE}/${topic}`, said, topic !== 'heartbeat')
  await tell('status', { state: 'running' })
  await tell('controls/inverter', { device: 'inverter', controls: [{ control: 'mode', options: [{ value: 'grid_first', wire: wire('grid') }] }] })
  await tell('release/inverter', { device: 'inverter', wire: wire('back') })
  await until(() => site.house.devices.inverter && site.house.devices.inverter.release)
  return { broker, ears, site, tell, troubles }
}

test('asks PEMS while that is there', { skip: noBroker }, async (t) => {
  const { ears, site, tell } = await scene(t)
  await tell('heartbeat', beat())
  await until(() => site.house.core(Date.now()) === 'running')
  await site.ask('override/set', SET)
  await until(() => ears.on(`${BASE}/override/set`).length === 1)
  assert.equal(JSON.parse(ears.on(`${BASE}/override/set`)[0]).value, 'grid_first')
  assert.deepEqual(ears.on('device/set'), [])
  await assert.rejects(site.ask('override/set', 3), /found 3; allowed: an object/)
  await assert.rejects(site.ask('prices/set', {}), /allowed: override\/set/)
})

test('carries a choice while PEMS is down, and hands it over until PEMS shows it', { skip: noBroker }, async (t) => {
  const { ears, site, tell } = await scene(t)
  await tell('status', OFFLINE)
  await until(() => site.down)
  await site.ask('override/set', SET)
  await until(() => ears.on('device/set').length === 1)
  await assert.rejects(site.ask('stage/set', { device: 'inverter', stage: 'control', by: 'me' }), /PEMS is offline/)
  await tell('status', { state: 'running' })
  for (let k = 1; k <= 2; k++) {
    await tell('heartbeat', beat())
    await until(() => ears.on(`${BASE}/override/set`).length === k)
  }
  await tell('override/inverter/mode', { device: 'inverter', control: 'mode', value: 'grid_first', until: new Date(Date.now() + 1e6).toISOString() })
  await until(() => site.byHand.all.length === 0)
  await tell('heartbeat', beat())
  await pause(300)
  assert.equal(ears.on(`${BASE}/override/set`).length, 2)
  assert.deepEqual(ears.on('device/set'), ['grid'])
})

test('a stop while PEMS is down gives everything back now, forbids choices, and reaches PEMS', { skip: noBroker }, async (t) => {
  const { ears, site, tell } = await scene(t)
  await tell('status', OFFLINE)
  await until(() => site.down)
  await site.ask('override/set', SET)
  await site.ask('emergency/set', { action: 'stop', by: 'me' })
  await until(() => ears.on('device/set').join() === 'grid,back')
  await assert.rejects(site.ask('override/set', SET), /emergency stop by me/)
  await tell('status', { state: 'running' })
  await tell('heartbeat', beat())
  await until(() => ears.on(`${BASE}/emergency/set`).length === 1)
  await tell('emergency', { stopped: true, by: 'me' })
  await until(() => site.byHand.stop === null)
})

test('gives a device back when the time of a choice is over, and after its end', { skip: noBroker }, async (t) => {
  const { ears, site, tell } = await scene(t)
  await tell('status', OFFLINE)
  await until(() => site.down)
  await site.ask('override/set', { ...SET, for_minutes: 0.02 })
  await until(() => ears.on('device/set').join() === 'grid,back')
  await site.ask('override/set', SET)
  await site.ask('override/clear', { by: 'me' })
  await until(() => ears.on('device/set').join() === 'grid,back,grid,back')
  assert.deepEqual(site.byHand.all, [])
})

test('tells who asked that nothing was sent while the broker was away, and sends nothing later', { skip: noBroker }, async (t) => {
  const { broker, ears, site } = await scene(t)
  await broker.stop()
  await until(() => !site.house.connected)
  await assert.rejects(site.publish('device/set', 'away'), /nothing was sent/)
  await broker.start()
  await until(() => site.house.connected && ears.client.connected)
  await pause(500)
  await site.publish('device/set', 'newest')
  await until(() => ears.on('device/set').includes('newest'))
  assert.deepEqual(ears.on('device/set'), ['newest'])
})

test('what a broker took in its last moment is not sent again after a reconnect', { skip: noBroker }, async (t) => {
  const { broker, ears, site } = await scene(t)
  broker.freeze()
  const unknown = assert.rejects(site.publish('device/set', 'in its last moment'), /unknown whether this was sent/)
  await pause(200)
  await broker.stop('SIGKILL')
  await unknown
  await broker.start()
  await until(() => site.house.connected && ears.client.connected)
  await pause(500)
  await site.publish('device/set', 'newest')
  await until(() => ears.on('device/set').includes('newest'))
  assert.deepEqual(ears.on('device/set'), ['newest'])
})

test('reads what is retained again after a reconnect, and says what it would carry', { skip: noBroker }, async (t) => {
  const { broker, ears, site, tell } = await scene(t)
  await tell('heartbeat', beat())
  await site.offer('a node', ['inverter'])
  await broker.stop()
  await until(() => !site.house.connected)
  await broker.start()
  await until(() => site.house.connected && ears.client.connected)
  await tell('lease/inverter', { device: 'inverter', until: '2025-01-15T10:00:00Z' })
  await until(() => site.house.devices.inverter.lease)
  await until(() => ears.on(`${BASE}/carrier`).some((said) => JSON.parse(said).devices.includes('inverter')))
})

test('offers to carry nothing before PEMS has told its time, and does so as soon as it has', { skip: noBroker }, async (t) => {
  const { ears, site, tell } = await scene(t)
  await site.offer('a node', ['inverter'])
  const offered = () => ears.on(`${BASE}/carrier`).map((said) => JSON.parse(said).devices)
  await until(() => offered().length > 0)
  assert.deepEqual(offered().flat(), [])
  await tell('heartbeat', { ...beat(), at: '2025-01-15T10:00:00Z' })
  await until(() => offered().flat().includes('inverter'))
})
