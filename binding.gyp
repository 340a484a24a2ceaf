{
  'target_defaults': {
    'cflags': ['-Wall', '-Wextra', '-Werror', '-fno-strict-aliasing'],
    'cflags_cc': [
      '-std=c++20', '-fno-exceptions', '-fno-rtti',
      # Headers that are not ours are system headers: their warnings are not ours to fix.
      '-isystem', '<(node_root_dir)/include/node',
      '-isystem', '<(module_root_dir)/node_modules/node-addon-api',
    ],
    'cflags_cc!': ['-std=gnu++20', '-std=gnu++17', '-fexceptions', '-Wno-unused-parameter'],
    'include_dirs': ['native', 'bpf'],
  },
  'targets': [
    {
      'target_name': 'sluice',
      'sources': [
        '<!@(ls native/*.cc native/base/*.cc native/bpf/*.cc native/netns/*.cc native/unix/*.cc native/heartbeat/*.cc native/reactor/*.cc 2>/dev/null || true)',
      ],
      'defines': ['NAPI_VERSION=9', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'],
      'libraries': ['-lbpf', '-lelf', '-lz'],
    },
    {
      'target_name': 'sluice-keeper',
      'type': 'executable',
      'sources': ['<!@(ls native/keeper/*.cc 2>/dev/null || true)'],
      'ldflags!': ['-rdynamic'],
    },
  ],
}
