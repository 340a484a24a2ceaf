/** That of the service in discovery.proto. */
export const deltaStreamPath =
  '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

/** That of the service in report.proto. */
export const reportStreamPath = '/sluice.report.v1.NodeReports/Report'
