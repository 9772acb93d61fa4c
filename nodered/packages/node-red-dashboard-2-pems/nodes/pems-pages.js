'use strict'

const path = require('node:path')

const express = require('express')

const PACKAGE = 'node-red-dashboard-2-pems'
const RESOURCES = path.join(__dirname, '..', 'resources')
const ROOT = '/pems-pages'

/**
 * Gives browsers the pages where there is no editor: what serves the resources of nodes otherwise ends with it, and
 * Dashboard would look for them at the address "false".
 */
module.exports = function (RED) {
  RED.plugins.registerPlugin('pems-pages', {
    type: 'node-red-dashboard-2',
    hooks: {
      onSetup: () => {
        if (RED.settings.httpAdminRoot !== false) return {}
        const { httpNodeRoot = '/' } = RED.settings
        return { RED: { httpAdminRoot: `${httpNodeRoot}${ROOT}`.replaceAll('//', '/'), httpNodeRoot } }
      }
    }
  })
  RED.httpNode.use(`${ROOT}/resources/${PACKAGE}`, express.static(RESOURCES))
}
