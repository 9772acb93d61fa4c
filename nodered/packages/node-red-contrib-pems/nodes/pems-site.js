'use strict'
// The connection to one house. Its address may come from environment variables, so that flows can be committed.

const fs = require('node:fs')
const { Site } = require('../lib/site')

module.exports = function (RED) {
  function PemsSite (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const tls = config.tls ? RED.nodes.getNode(config.tls) : null
    const house = config.house || process.env.PEMS_SITE || 'home'
    // Two with one id would cut each other off: the flows of all houses are the same, so the house is in it.
    const client = { clientId: `nodered-${house}-${node.id}` }
    const user = node.credentials.user || process.env.PEMS_MQTT_USER
    const password = node.credentials.password || process.env.PEMS_MQTT_PASSWORD
    if (user) Object.assign(client, { username: user, password })
    if (tls) tls.addTLSOptions(client)
    else if (process.env.PEMS_MQTT_CA_FILE) client.ca = fs.readFileSync(process.env.PEMS_MQTT_CA_FILE)

    const choices = node.context()
    const store = RED.settings.contextStorage && RED.settings.contextStorage.disk ? 'disk' : undefined
    const open = (kept) => {
      node.site = new Site({
        url: config.url || process.env.PEMS_MQTT_URL || 'mqtt://localhost:1883',
        prefix: config.prefix || process.env.PEMS_MQTT_PREFIX || 'pems',
        site: house,
        mqtt: client,
        kept
      })
      let known = JSON.stringify(node.site.byHand.kept)
      node.site.on('change', () => {
        const now = JSON.stringify(node.site.byHand.kept)
        if (now !== known) choices.set('choices', JSON.parse(now), store)
        known = now
      })
      let told = ''
      node.site.on('trouble', (error) => {
        if (error.message !== told) node.warn(error.message)
        told = error.message
      })
      node.site.on('refused', (topic, fault) => node.warn(fault))
      node.site.open()
    }
    // Read at once: nodes of the same deploy look for the site while they are made.
    open(choices.get('choices', store) || {})
    node.on('close', (done) => node.site.close().then(() => done(), done))
  }
  RED.nodes.registerType('pems-site', PemsSite, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}
