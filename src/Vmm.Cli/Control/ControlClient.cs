using System.Net.Sockets;
using Vmm.Machine;

namespace Vmm.Cli.Control;

/// <summary>Asks running VMs.</summary>
internal static class ControlClient
{
    /// <summary>Sends a request and waits for the answer.</summary>
    /// <param name="name">Name of the VM.</param>
    /// <param name="request">The request.</param>
    /// <returns>The content of the answer.</returns>
    /// <exception cref="MachineException">There is no such VM, or it refuses.</exception>
    public static byte[] Ask(string name, ControlRequest request)
    {
        using NetworkStream stream = new(RuntimeFolder.OfUser().Connect(name), ownsSocket: true);
        ControlMessage.Write(stream, request);
        ControlReply reply = ControlMessage.Read<ControlReply>(stream);
        return reply.Problem is null ? reply.Content : throw new MachineException($"{name}: {reply.Problem}");
    }
}
