import { copyFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const here = dirname(fileURLToPath(import.meta.url))
const inter = dirname(createRequire(import.meta.url).resolve('@fontsource-variable/inter/package.json'))

/** The letters that the pages are set in come from the house, like everything else of them. */
const fonts = {
  name: 'pems-fonts',
  writeBundle () {
    for (const script of ['latin', 'latin-ext']) {
      copyFileSync(join(inter, 'files', `inter-${script}-wght-normal.woff2`), join(here, 'resources', `inter-${script}.woff2`))
    }
    copyFileSync(join(inter, 'LICENSE'), join(here, 'resources', 'inter-LICENSE.txt'))
  }
}

export default defineConfig({
  plugins: [vue(), fonts],
  define: { 'process.env.NODE_ENV': '"production"', __VUE_PROD_DEVTOOLS__: 'false' },
  build: {
    outDir: 'resources',
    emptyOutDir: false,
    target: 'es2020',
    lib: { entry: 'src/index.js', name: 'ui-pems-page', formats: ['umd'], fileName: () => 'pems-pages.umd.js' },
    // Dashboard 2.0 gives its own Vue to the widgets of others.
    rollupOptions: { external: ['vue'], output: { globals: { vue: 'Vue' }, exports: 'named' } }
  }
})
