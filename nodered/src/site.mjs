// The house that all flows speak of; everything comes from the environment, so that the file can be shared.

import { SITE } from './flow.mjs'

export default [{ id: SITE, type: 'pems-site', name: 'the house', url: '', tls: '', prefix: '', house: '' }]
